export interface BrokerPlace {
  id: number
  host: string
  port: number
  internalPort: number
  controllerPort: number
  folder: string
}

export function makeBrokerSettings(
  place: BrokerPlace,
  all: readonly BrokerPlace[],
  client: { protocol: string; extra: Record<string, string> },
): Record<string, string>

export function formatProperties(settings: Record<string, string>): string
