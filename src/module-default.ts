/** Imports a module of the user's for what it exports as default. */

/**
 * Compilers that turn ES modules into CommonJS write `exports.default`, and mark it; of CommonJS Node.js takes all of
 * `module.exports` for the default, so there it is one level further down.
 */
export async function importDefault(url: string): Promise<unknown> {
  const module = (await import(url)) as Readonly<Record<string, unknown>>
  const outer = module['default']
  return isCompiledModule(outer) ? outer.default : outer
}

function isCompiledModule(value: unknown): value is { readonly default: unknown } {
  return typeof value === 'object' && value !== null && Reflect.get(value, '__esModule') === true && 'default' in value
}
