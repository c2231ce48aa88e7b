export default function Key() {
  return <h1>Key</h1>
}
