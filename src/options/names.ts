/** The names an option goes by outside the app's file; all follow from its path. */

/** `kafka.groupId` → `--kafka-group-id` */
export function flagName(path: string): string {
  return `--${wordsOf(path).join('-')}`
}

/** `kafka.groupId` → `TROUPE_KAFKA_GROUP_ID` */
export function envName(path: string): string {
  return `TROUPE_${wordsOf(path).join('_').toUpperCase()}`
}

function wordsOf(path: string): readonly string[] {
  return path
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1.$2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '')
}
