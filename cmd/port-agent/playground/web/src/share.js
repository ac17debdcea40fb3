// A link that holds everything shown: the state, compressed, in the fragment,
// which browsers do not send to servers.

const prefix = "#s="

/** @param {ReadableStream<Uint8Array>} stream */
const bytesOf = async stream => new Uint8Array(await new Response(stream).arrayBuffer())

/**
 * @param {unknown} state
 * @returns {Promise<string>} the fragment
 */
export async function pack(state) {
  const bytes = await bytesOf(new Blob([JSON.stringify(state)]).stream().pipeThrough(new CompressionStream("deflate-raw")))
  let text = ""
  for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000))
  return prefix + btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "")
}

/** The most that a link may unfold to. */
const maxState = 8 << 20

/**
 * @param {string} link a link or its fragment
 * @returns {Promise<any>} null: it holds no state
 */
export async function unpack(link) {
  const at = link.indexOf(prefix)
  if (at < 0) return null
  const text = atob(link.slice(at + prefix.length).trim().replaceAll("-", "+").replaceAll("_", "/"))
  const packed = new Blob([Uint8Array.from(text, c => c.charCodeAt(0))]).stream().pipeThrough(new DecompressionStream("deflate-raw"))
  let size = 0
  const bounded = packed.pipeThrough(new TransformStream({
    transform(chunk, controller) {
      if ((size += chunk.length) > maxState) controller.error(new Error("the link holds too much"))
      else controller.enqueue(chunk)
    },
  }))
  return JSON.parse(new TextDecoder().decode(await bytesOf(bounded)))
}
