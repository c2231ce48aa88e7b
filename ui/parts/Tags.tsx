import { Badge } from "./Badge.tsx"
import { Text } from "./Text.tsx"

export const Tags = ({ tags }: { readonly tags: ReadonlyArray<string> }) => (
  <span class="badges tags">
    {tags.map((tag) => (
      <Badge key={tag}>
        <Text value={tag} longest={32} />
      </Badge>
    ))}
  </span>
)
