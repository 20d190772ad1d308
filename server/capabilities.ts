/**
 * What the schema knows and this dataplane does not do yet: answered with NOT_SUPPORTED_YET. Delete
 * an entry when the dataplane learns it.
 */
export const NOT_YET = {
  persistenceEngine: ['sip'] as readonly string[],
}
