export default function Budgets() {
  return <h1>Budgets</h1>
}
