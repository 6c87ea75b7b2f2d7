/** How many brokers the one at this plain-text listener lists; 0 when it does not answer. */
export function countKnownBrokers(host: string, port: number): Promise<number>
