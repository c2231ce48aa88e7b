/** Matches a media type, any parameters, and base64. */
const DATA_URL = /^data:([\w.+-]{1,100}\/[\w.+-]{1,100})(?:;[\w.=+"-]{1,100}){0,4};base64,/i

/** Reads a data: URL with a media type and base64; undefined for any other. */
export const readDataUrl = (
  url: string,
): { readonly mediaType: string; readonly data: string } | undefined => {
  const header = DATA_URL.exec(url)
  const mediaType = header?.[1]
  if (header === null || mediaType === undefined) return undefined
  // Many clients call JPEG by its file name.
  const known = mediaType.toLowerCase() === "image/jpg" ? "image/jpeg" : mediaType
  return { mediaType: known, data: url.slice(header[0].length) }
}
