import {
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLSchema,
  isIntrospectionType,
  isObjectType,
} from 'graphql'

/**
 * What a field says to Carillon, under `carillon` in its `extensions`, and a type about the fields
 * that it is made with.
 */
export interface CarillonExtensions {
  /**
   * That it looks the same to every viewer: it depends neither on who asks nor on the connection. A field
   * that says nothing is resolved for each viewer.
   */
  readonly shared?: boolean
  /** Of a field of the root type for subscriptions: that the hub delivers what it subscribes to. */
  readonly live?: boolean
}

/** For `extensions` of types and fields. */
export function carillon(extensions: CarillonExtensions): {
  readonly carillon: CarillonExtensions
} {
  return { carillon: extensions }
}

export function isShared(field: GraphQLField<unknown, unknown>): boolean {
  return read(field).shared === true
}

export function isLive(field: GraphQLField<unknown, unknown>): boolean {
  return read(field).live === true
}

/**
 * Marks the fields of each type that is shared, one by one: a field that someone adds to the type
 * later is not.
 */
export function markShared(schema: GraphQLSchema): GraphQLSchema {
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) || isIntrospectionType(type) || read(type).shared !== true) continue
    for (const field of Object.values(type.getFields())) {
      field.extensions = { ...field.extensions, ...carillon({ shared: true, ...read(field) }) }
    }
  }
  return schema
}

function read({
  extensions,
}: GraphQLField<unknown, unknown> | GraphQLObjectType): CarillonExtensions {
  return (extensions as { readonly carillon?: CarillonExtensions }).carillon ?? {}
}
