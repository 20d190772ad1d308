/** How a merge patch is described: any object; what it makes of the document is what is checked. */
export const MergePatch = (example: object) => ({
  type: 'object',
  description: 'RFC 7396: given members replace, null removes, the rest stays.',
  additionalProperties: true,
  examples: [example],
})
