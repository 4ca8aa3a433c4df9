/**
 * page-props - what the application gives a page
 *
 * See also: app/navigation (the table of pages).
 */
export type PageProps = { readonly params: Readonly<Record<string, string>> }
