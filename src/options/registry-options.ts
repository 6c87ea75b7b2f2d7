/** The options of the schema registry. */
import type { RegisterSchemas } from '../streams/registry/needed-schemas.ts'
import type { RegistrySettings } from '../streams/registry/registry-settings.ts'
import type { OptionRow } from './option-row.ts'
import { credential, file, headerMap, milliseconds, name, nullable, oneOf, registryUrls, secretText } from './rules.ts'

type RegistryRows = {
  readonly [Name in keyof RegistrySettings as `schemaRegistry.${Name}`]: OptionRow<RegistrySettings[Name]>
}

export const registryOptions: RegistryRows & { readonly registerSchemas: OptionRow<RegisterSchemas> } = {
  'schemaRegistry.url': {
    rule: registryUrls(),
    default: [],
    env: ['SCHEMA_REGISTRY_URL'],
    isSecret: true,
    doc: 'The registry that keeps the schemas of topics whose codec has one (docs/schemas.md), with its path (`http://registry:8081`, `https://host/apis/ccompat/v7`). Of several, separated by commas, the next is asked where one does not answer.',
  },
  'schemaRegistry.username': {
    rule: nullable(name('a name')),
    default: null,
    doc: 'For basic authentication; with Confluent Cloud the key of the API.',
  },
  'schemaRegistry.password': {
    rule: nullable(secretText()),
    default: null,
    isSecret: true,
    doc: 'Its password. Set it in the environment: flags are seen by every user of the machine.',
  },
  'schemaRegistry.token': {
    rule: nullable(credential()),
    default: null,
    isSecret: true,
    doc: 'A bearer token, or in the app a function that fetches one: called before the first request, and again when the registry answers 401.',
  },
  'schemaRegistry.headers': {
    rule: headerMap(),
    default: {},
    isSecret: true,
    isFileOnly: true,
    doc: 'Further headers of each request, such as `{ "target-sr-cluster": "lsrc-1" }`.',
  },
  'schemaRegistry.caFile': {
    rule: nullable(file()),
    default: null,
    defaultText: "Node.js's own list",
    doc: 'PEM file of the certificate authorities that the registry is trusted by.',
  },
  'schemaRegistry.certFile': {
    rule: nullable(file()),
    default: null,
    doc: 'PEM file of the certificate by which this process shows who it is (mutual TLS).',
  },
  'schemaRegistry.keyFile': {
    rule: nullable(file()),
    default: null,
    doc: 'PEM file of its private key.',
  },
  'schemaRegistry.keyPassphrase': {
    rule: nullable(secretText()),
    default: null,
    isSecret: true,
    doc: 'Opens that key where it is encrypted.',
  },
  'schemaRegistry.connectTimeoutMs': {
    rule: milliseconds(),
    default: 3_000,
    atMost: 'schemaRegistry.timeoutMs',
    doc: 'Longest time that a connection to the registry may take.',
  },
  'schemaRegistry.timeoutMs': {
    rule: milliseconds(),
    default: 10_000,
    doc: 'Longest time that a whole answer of the registry may take. Then it counts as away: what is known goes on, what is not waits.',
  },
  registerSchemas: {
    rule: oneOf('never', 'on-start'),
    default: 'never',
    doc: 'on-start: a start registers the schemas that the app writes with, where the registry does not have them. never: each has to be there, by `troupe schemas register`, or the start fails.',
  },
}
