import { to } from "../route";

/** Where an address leads to no page. */
export function Nowhere({ page, pages }: { page: string; pages: readonly (readonly [string, string])[] }) {
  return (
    <>
      <div class="lead">
        <div class="grow">
          <h1>There is no such page</h1>
          <p>The address names “{page}”. The pages are these:</p>
        </div>
      </div>
      <div class="row">
        {pages.map(([key, name]) => (
          <a key={key} class="button" href={to(key)}>
            {name}
          </a>
        ))}
      </div>
    </>
  );
}
