from __future__ import annotations

import copy

import pytest

from conversion.cbor_codec import CborCodec
from conversion.codec import CBOR, PROTOBUF, YAML
from conversion.deferred import deferred
from conversion.protobuf_codec import ProtobufCodec
from conversion.yaml_codec import YamlCodec
from watchd.api.negotiate import TYPED_CODECS

REAL = {YAML: YamlCodec, CBOR: CborCodec, PROTOBUF: ProtobufCodec}


@pytest.mark.parametrize("media_type", REAL)
@pytest.mark.parametrize("said", ["media_type", "stream_media_type", "terminator", "sized_lists"])
def test_what_a_codec_is_chosen_by_is_its_own(media_type, said):
    assert getattr(TYPED_CODECS[media_type], said) == getattr(REAL[media_type], said)


@pytest.mark.parametrize("media_type", REAL)
def test_methods_are_the_codecs_own(media_type):
    codec = TYPED_CODECS[media_type]
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}}
    data = codec.encode(obj)
    assert data == REAL[media_type]().encode(obj)
    assert codec.decode(data).value["data"] == {"k": "v"}
    # Found once.
    assert type(vars(codec)["encode"].__self__) is REAL[media_type]


def test_what_no_codec_has_is_missing():
    with pytest.raises(AttributeError):
        _ = TYPED_CODECS[YAML].colour


def test_python_own_questions_import_nothing():
    codec = deferred("no.such.module", "Codec", YAML)
    assert copy.copy(codec).media_type == YAML
    with pytest.raises(ModuleNotFoundError):
        codec.encode({})
