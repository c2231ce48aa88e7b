import { render } from "preact"
import { App } from "./App.tsx"
import { findSession } from "./session.ts"
import "./style.css"

const root = document.getElementById("app")
if (root !== null) render(<App />, root)
await findSession()
