"""Requests that are no plain object: POSTs that are answered and not stored, and ways to what runs on nodes.

`table` says what answers which resource; to add one is to add an entry there. Subresources whose object is the resource's own
(status, approval, resize ...) are no business of this package: the verbs serve them by way of the Store.
"""
