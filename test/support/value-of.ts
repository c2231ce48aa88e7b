/** Returns the values of `type` in a union of a vendor's own types, so that a record of them is one of all of them. */
export type TypeOf<T> = T extends { readonly type?: infer Type } ? Extract<Type, string> : never
