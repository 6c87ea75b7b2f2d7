/** Schemas into a registry, by its REST API: for everything around a pipeline, which itself only looks them up. */

/** Returns the id. A schema that is there already keeps the one it has. */
export async function registerSchema(registryUrl: string, subject: string, schema: object): Promise<number> {
  const { url, headers } = addressOf(registryUrl)
  const request = { method: 'POST', headers, body: JSON.stringify({ schema: JSON.stringify(schema) }) }
  const answer = await fetch(`${url}/subjects/${encodeURIComponent(subject)}/versions`, request).catch(
    (cause: unknown) => {
      throw new Error(`no schema registry answers at ${url} (SCHEMA_REGISTRY_URL or --registry)`, { cause })
    },
  )
  const text = await answer.text()
  if (!answer.ok) throw new Error(`the schema registry at ${url} refuses ${subject}: ${answer.status} ${text}`)
  return (JSON.parse(text) as { readonly id: number }).id
}

/** `fetch` takes no password in an address. Of several registries the first is asked. */
function addressOf(registryUrl: string): { readonly url: string; readonly headers: Record<string, string> } {
  const url = new URL(registryUrl.split(',')[0]?.trim() ?? '')
  const { username, password } = url
  const logIn = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64')
  url.username = ''
  url.password = ''
  return {
    url: url.href.replace(/\/+$/, ''),
    headers: {
      'content-type': 'application/vnd.schemaregistry.v1+json',
      ...(username === '' ? {} : { authorization: `Basic ${logIn}` }),
    },
  }
}
