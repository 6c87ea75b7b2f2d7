// A certificate authority and a broker certificate in PEM, made by openssl for one run.
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * @param {string} folder
 * @returns {{ caFile: string, wrongCaFile: string, brokerFile: string }} `brokerFile`: private key and certificate chain
 */
export function makeCertificates(folder) {
  /** @param {string} name */
  const at = (name) => join(folder, name)
  for (const name of ['ca', 'wrong-ca']) {
    openssl(['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', `/CN=Troupe test ${name}`,
      '-keyout', at(`${name}.key`), '-out', at(`${name}.pem`)]) // prettier-ignore
  }
  writeFileSync(at('broker.ext'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n')
  openssl([
    'req',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-subj',
    '/CN=localhost',
    '-keyout',
    at('broker.key'),
    '-out',
    at('broker.csr'),
  ])
  openssl(['x509', '-req', '-days', '2', '-in', at('broker.csr'), '-CA', at('ca.pem'), '-CAkey', at('ca.key'),
    '-CAcreateserial', '-extfile', at('broker.ext'), '-out', at('broker.crt')]) // prettier-ignore
  const parts = ['broker.key', 'broker.crt', 'ca.pem'].map((name) => readFileSync(at(name), 'utf8'))
  writeFileSync(at('broker.pem'), parts.join(''))
  return { caFile: at('ca.pem'), wrongCaFile: at('wrong-ca.pem'), brokerFile: at('broker.pem') }
}

/** @param {string[]} args */
function openssl(args) {
  try {
    execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    const { code, stderr } = /** @type {{ code?: string, stderr?: Buffer }} */ (error)
    if (code === 'ENOENT') throw new Error('openssl is missing, which makes the certificates for a TLS listener')
    throw new Error(`openssl ${args[0]} failed: ${stderr?.toString('utf8') ?? String(error)}`)
  }
}
