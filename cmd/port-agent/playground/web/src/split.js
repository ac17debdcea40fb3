// Bars between panes, moved with the pointer or the arrow keys.

/** @param {(layout: Record<string, string>) => void} changed */
export function splitters(changed) {
  /** @type {Record<string, string>} */
  const layout = {}
  const root = document.documentElement
  /** @param {HTMLElement} bar @param {number} percent */
  const move = (bar, percent) => {
    const name = bar.dataset.var ?? ""
    const value = Math.min(Math.max(percent, Number(bar.ariaValueMin)), Number(bar.ariaValueMax))
    bar.ariaValueNow = String(Math.round(value))
    layout[name] = value.toFixed(1) + "%"
    root.style.setProperty(name, layout[name])
  }
  for (const bar of document.querySelectorAll(".split")) {
    if (!(bar instanceof HTMLElement)) continue
    const vertical = bar.classList.contains("column")
    const fromEnd = bar.dataset.var === "--two"
    /** @returns {number} where the bar is, in per cent of its container */
    const now = () => parseFloat(getComputedStyle(root).getPropertyValue(bar.dataset.var ?? ""))
    bar.ariaValueNow = String(Math.round(now()))
    bar.addEventListener("pointerdown", e => {
      bar.setPointerCapture(e.pointerId)
      bar.classList.add("dragged")
    })
    bar.addEventListener("pointermove", e => {
      if (!bar.hasPointerCapture(e.pointerId) || !bar.parentElement) return
      const box = bar.parentElement.getBoundingClientRect()
      const share = vertical ? (e.clientX - box.left) / box.width : (e.clientY - box.top) / box.height
      move(bar, 100 * (fromEnd ? 1 - share : share))
    })
    bar.addEventListener("lostpointercapture", () => {
      bar.classList.remove("dragged")
      changed(layout)
    })
    bar.addEventListener("keydown", e => {
      const step = {ArrowLeft: -2, ArrowUp: -2, ArrowRight: 2, ArrowDown: 2}[e.key]
      if (!step) return
      e.preventDefault()
      move(bar, now() + (fromEnd ? -step : step))
      changed(layout)
    })
  }
  return {
    /** @param {Record<string, string>} saved */
    restore(saved) {
      for (const bar of document.querySelectorAll(".split")) {
        const value = bar instanceof HTMLElement && parseFloat(saved[bar.dataset.var ?? ""])
        if (bar instanceof HTMLElement && value) move(bar, value)
      }
    },
  }
}
