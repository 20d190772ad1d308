/** Bounds of an import: whatever a text says, it costs no more than this. */

export const LINES_MAX = 500_000
/** keepalived's own bound is 1024. */
export const LINE_LENGTH_MAX = 8192
/** Lines that definitions and sequences may make of a text. */
export const EXPANDED_LINES_MAX = 300_000
/** Definitions used within definitions, and blocks within blocks. */
export const DEPTH_MAX = 24
/** Replacements in one line: a definition may contain itself. */
export const REPLACEMENTS_MAX = 200
