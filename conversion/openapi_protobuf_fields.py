"""The fields of OpenAPI documents in protobuf: openapiv2/OpenAPIv2.proto and openapiv3/OpenAPIv3.proto of gnostic-models.

A row is a message: its name and, for each field, the key in JSON, the number and the type, behind a star where there are many.
The key `*` stands for all keys that have no field of their own and `x-*` for those of extensions; such a field holds pairs of
a name (1) and a value of the type (2). A message with a bar is one of its fields (a oneof). The key `=` says that the
JSON value itself is the field's.

Without what no document of Kubernetes has: security, servers, headers, links, callbacks, examples, forms, tags and XML.
"""

from __future__ import annotations

OPENAPI_V2 = """
AdditionalPropertiesItem | schema 1 Schema, boolean 2 bool
BodyParameter: description 1 string, name 2 string, in 3 string, required 4 bool, schema 5 Schema, x-* 6 Any
Definitions: * 1 Schema
Document: swagger 1 string, info 2 Info, host 3 string, basePath 4 string, schemes 5 *string, consumes 6 *string,
  produces 7 *string, paths 8 Paths, definitions 9 Definitions, parameters 10 ParameterDefinitions,
  externalDocs 15 ExternalDocs, x-* 16 Any
ExternalDocs: description 1 string, url 2 string, x-* 3 Any
Info: title 1 string, version 2 string, description 3 string, termsOfService 4 string, x-* 7 Any
ItemsItem: = 1 Schema
JsonReference: $ref 1 string, description 2 string
NonBodyParameter | query 3 QueryParameterSubSchema, path 4 PathParameterSubSchema
Operation: tags 1 *string, summary 2 string, description 3 string, externalDocs 4 ExternalDocs, operationId 5 string,
  produces 6 *string, consumes 7 *string, parameters 8 *ParametersItem, responses 9 Responses, schemes 10 *string,
  deprecated 11 bool, x-* 13 Any
Parameter | bodyParameter 1 BodyParameter, nonBodyParameter 2 NonBodyParameter
ParameterDefinitions: * 1 Parameter
ParametersItem | parameter 1 Parameter, reference 2 JsonReference
PathItem: $ref 1 string, get 2 Operation, put 3 Operation, post 4 Operation, delete 5 Operation, options 6 Operation,
  head 7 Operation, patch 8 Operation, parameters 9 *ParametersItem, x-* 10 Any
PathParameterSubSchema: required 1 bool, in 2 string, description 3 string, name 4 string, type 5 string,
  format 6 string, items 7 PrimitivesItems, collectionFormat 8 string, default 9 Any, maximum 10 double,
  exclusiveMaximum 11 bool, minimum 12 double, exclusiveMinimum 13 bool, maxLength 14 int64, minLength 15 int64,
  pattern 16 string, maxItems 17 int64, minItems 18 int64, uniqueItems 19 bool, enum 20 *Any, multipleOf 21 double,
  x-* 22 Any
Paths: x-* 1 Any, * 2 PathItem
PrimitivesItems: type 1 string, format 2 string, items 3 PrimitivesItems, collectionFormat 4 string, default 5 Any,
  maximum 6 double, exclusiveMaximum 7 bool, minimum 8 double, exclusiveMinimum 9 bool, maxLength 10 int64,
  minLength 11 int64, pattern 12 string, maxItems 13 int64, minItems 14 int64, uniqueItems 15 bool, enum 16 *Any,
  multipleOf 17 double, x-* 18 Any
Properties: * 1 Schema
QueryParameterSubSchema: required 1 bool, in 2 string, description 3 string, name 4 string, allowEmptyValue 5 bool,
  type 6 string, format 7 string, items 8 PrimitivesItems, collectionFormat 9 string, default 10 Any, maximum 11 double,
  exclusiveMaximum 12 bool, minimum 13 double, exclusiveMinimum 14 bool, maxLength 15 int64, minLength 16 int64,
  pattern 17 string, maxItems 18 int64, minItems 19 int64, uniqueItems 20 bool, enum 21 *Any, multipleOf 22 double,
  x-* 23 Any
Response: description 1 string, schema 2 SchemaItem, x-* 5 Any
ResponseValue | response 1 Response, reference 2 JsonReference
Responses: * 1 ResponseValue, x-* 2 Any
Schema: $ref 1 string, format 2 string, title 3 string, description 4 string, default 5 Any, multipleOf 6 double,
  maximum 7 double, exclusiveMaximum 8 bool, minimum 9 double, exclusiveMinimum 10 bool, maxLength 11 int64,
  minLength 12 int64, pattern 13 string, maxItems 14 int64, minItems 15 int64, uniqueItems 16 bool,
  maxProperties 17 int64, minProperties 18 int64, required 19 *string, enum 20 *Any,
  additionalProperties 21 AdditionalPropertiesItem, type 22 TypeItem, items 23 ItemsItem, allOf 24 *Schema,
  properties 25 Properties, discriminator 26 string, readOnly 27 bool, externalDocs 29 ExternalDocs, example 30 Any,
  x-* 31 Any
SchemaItem: = 1 Schema
TypeItem: = 1 string
"""

OPENAPI_V3 = """
AdditionalPropertiesItem | schema 1 SchemaOrReference, boolean 2 bool
Components: schemas 1 SchemasOrReferences, responses 2 ResponsesOrReferences, parameters 3 ParametersOrReferences,
  requestBodies 5 RequestBodiesOrReferences, x-* 10 Any
DefaultType | number 1 double, boolean 2 bool, string 3 string
Document: openapi 1 string, info 2 Info, paths 4 Paths, components 5 Components, externalDocs 8 ExternalDocs, x-* 9 Any
ExternalDocs: description 1 string, url 2 string, x-* 3 Any
Info: title 1 string, description 2 string, termsOfService 3 string, version 6 string, x-* 7 Any, summary 8 string
ItemsItem: = 1 SchemaOrReference
MediaType: schema 1 SchemaOrReference, example 2 Any, x-* 5 Any
MediaTypes: * 1 MediaType
Operation: tags 1 *string, summary 2 string, description 3 string, externalDocs 4 ExternalDocs, operationId 5 string,
  parameters 6 *ParameterOrReference, requestBody 7 RequestBodyOrReference, responses 8 Responses, deprecated 10 bool,
  x-* 13 Any
Parameter: name 1 string, in 2 string, description 3 string, required 4 bool, deprecated 5 bool, allowEmptyValue 6 bool,
  style 7 string, explode 8 bool, allowReserved 9 bool, schema 10 SchemaOrReference, example 11 Any,
  content 13 MediaTypes, x-* 14 Any
ParameterOrReference | parameter 1 Parameter, reference 2 Reference
ParametersOrReferences: * 1 ParameterOrReference
PathItem: $ref 1 string, summary 2 string, description 3 string, get 4 Operation, put 5 Operation, post 6 Operation,
  delete 7 Operation, options 8 Operation, head 9 Operation, patch 10 Operation, trace 11 Operation,
  parameters 13 *ParameterOrReference, x-* 14 Any
Paths: * 1 PathItem, x-* 2 Any
Properties: * 1 SchemaOrReference
Reference: $ref 1 string, summary 2 string, description 3 string
RequestBodiesOrReferences: * 1 RequestBodyOrReference
RequestBody: description 1 string, content 2 MediaTypes, required 3 bool, x-* 4 Any
RequestBodyOrReference | requestBody 1 RequestBody, reference 2 Reference
Response: description 1 string, content 3 MediaTypes, x-* 5 Any
ResponseOrReference | response 1 Response, reference 2 Reference
Responses: default 1 ResponseOrReference, * 2 ResponseOrReference, x-* 3 Any
ResponsesOrReferences: * 1 ResponseOrReference
Schema: nullable 1 bool, readOnly 3 bool, writeOnly 4 bool, externalDocs 6 ExternalDocs, example 7 Any,
  deprecated 8 bool, title 9 string, multipleOf 10 double, maximum 11 double, exclusiveMaximum 12 bool,
  minimum 13 double, exclusiveMinimum 14 bool, maxLength 15 int64, minLength 16 int64, pattern 17 string,
  maxItems 18 int64, minItems 19 int64, uniqueItems 20 bool, maxProperties 21 int64, minProperties 22 int64,
  required 23 *string, enum 24 *Any, type 25 string, allOf 26 *SchemaOrReference, oneOf 27 *SchemaOrReference,
  anyOf 28 *SchemaOrReference, not 29 Schema, items 30 ItemsItem, properties 31 Properties,
  additionalProperties 32 AdditionalPropertiesItem, default 33 DefaultType, description 34 string, format 35 string,
  x-* 36 Any
SchemaOrReference | schema 1 Schema, reference 2 Reference
SchemasOrReferences: * 1 SchemaOrReference
"""
