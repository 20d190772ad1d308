/** Bounds of an import: whatever a text says, it costs no more than this. */

/** 100,000 lines of ipvsadm-save have 6 MiB. */
export const TEXT_OCTETS_MAX = 32 * 1024 * 1024
export const LINES_MAX = 500_000
/** keepalived's own bound is 1024. */
export const LINE_LENGTH_MAX = 8192
/** Lines that definitions and sequences may make of a text. */
export const EXPANDED_LINES_MAX = 300_000
/** Definitions used within definitions, and blocks within blocks. */
export const DEPTH_MAX = 24
/** Replacements in one line: a definition may contain itself. */
export const REPLACEMENTS_MAX = 200
