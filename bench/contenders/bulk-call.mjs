// What both contenders do with the values of a call.
const newline = Buffer.from('\n')

/** One bulk request; throws unless the service has taken all of them. */
export async function postAll(url, values) {
  const body = Buffer.concat(values.flatMap((value) => [value, newline]))
  const response = await fetch(url, { method: 'POST', body })
  const taken = Number(await response.text())
  if (taken < values.length) throw new Error(`the service took ${taken} of ${values.length}`)
}
