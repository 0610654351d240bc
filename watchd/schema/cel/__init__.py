"""CEL, the language of validation rules: parser, checker, programs, costs, and the rules of custom resources."""
