"""What OpenAPI documents in protobuf are called (gnostic's messages), as clients ask for them and as they are answered."""

from __future__ import annotations

from typing import Final

MEDIA_TYPE_V2: Final = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
MEDIA_TYPE_V3: Final = "application/com.github.proto-openapi.spec.v3.v1.0+protobuf"
"""What answers are called."""

OLD_MEDIA_TYPE_V2: Final = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
OLD_MEDIA_TYPE_V3: Final = "application/com.github.proto-openapi.spec.v3@v1.0+protobuf"
"""What clients still call them; no header of an answer may have the @."""
