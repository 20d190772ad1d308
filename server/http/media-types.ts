/** Media types of our own, for what is not the document itself. */

/** What a trial run answers with. */
export const PLAN = 'application/vnd.sluice.plan+json'
/** A document without its defaults: can be put as it was got. */
export const DECLARED = 'application/vnd.sluice.declared+json'
