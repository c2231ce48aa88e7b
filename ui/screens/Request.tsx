export default function Request() {
  return <h1>Request</h1>
}
