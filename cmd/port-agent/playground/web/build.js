// Builds ../assets from src: one script, one style sheet, and the licences of
// what is in them. Usage: node build.js [FOLDER]
import {build} from "esbuild"
import {cpSync, existsSync, mkdirSync, readFileSync, writeFileSync} from "node:fs"
import {dirname, join} from "node:path"
import {fileURLToPath} from "node:url"

const here = dirname(fileURLToPath(import.meta.url))
const out = process.argv[2] ?? join(here, "..", "assets")
mkdirSync(out, {recursive: true})

const result = await build({
  absWorkingDir: here,
  entryPoints: {app: "src/main.js", "app-style": "src/style.css"},
  outdir: out,
  entryNames: "[name]",
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  metafile: true,
  write: false,
})
for (const file of result.outputFiles) {
  writeFileSync(join(out, file.path.endsWith(".css") ? "app.css" : "app.js"), file.contents)
}
for (const name of ["index.html", "icon.svg"]) cpSync(join(here, name), join(out, name))

const packages = new Set()
for (const input of Object.keys(result.metafile.inputs)) {
  const found = input.match(/node_modules\/((?:@[^/]+\/)?[^/]+)/)
  if (found) packages.add(found[1])
}
let text = "The script of the playground holds these packages.\n"
for (const name of [...packages].sort()) {
  const folder = join(here, "node_modules", name)
  const {version} = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"))
  const file = ["LICENSE", "LICENSE.md", "LICENSE.txt"].map(f => join(folder, f)).find(existsSync)
  if (!file) throw new Error(`${name} has no licence`)
  text += `\n${"-".repeat(72)}\n${name} ${version}\n\n${readFileSync(file, "utf8").trim()}\n`
}
writeFileSync(join(out, "licences.txt"), text)
