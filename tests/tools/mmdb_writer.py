"""Writes small MaxMind DB files (format 2.0) for tests: any record size, IPv4 or IPv6 trees, aliases.

Readers differ in corners of this format, so the writer keeps to what the format's text says and leaves
every choice (record size, where IPv4 lives, which subtrees are aliases of it) to the caller.
"""

from __future__ import annotations

import ipaddress
import struct
from typing import Any

MARKER = b"\xab\xcd\xefMaxMind.com"
POINTER, STRING, DOUBLE, BYTES, UINT16, UINT32, MAP = 1, 2, 3, 4, 5, 6, 7
UINT64, ARRAY, BOOLEAN = 9, 11, 14


def _control(kind: int, size: int) -> bytes:
    """Control byte, extended type byte and size bytes."""
    if size < 29:
        small, extra = size, b""
    elif size < 285:
        small, extra = 29, bytes([size - 29])
    elif size < 65821:
        small, extra = 30, struct.pack(">H", size - 285)
    else:
        small, extra = 31, (size - 65821).to_bytes(3, "big")
    if kind > 7:
        return bytes([small, kind - 7]) + extra
    return bytes([kind << 5 | small]) + extra


class U32(int):
    """An integer to be written as uint32."""


class U64(int):
    """An integer to be written as uint64."""


def encode(value: Any) -> bytes:
    """One value of the data section."""
    if isinstance(value, str):
        text = value.encode()
        return _control(STRING, len(text)) + text
    if isinstance(value, bool):
        return _control(BOOLEAN, int(value))
    if isinstance(value, float):
        return _control(DOUBLE, 8) + struct.pack(">d", value)
    if isinstance(value, int):
        kind = UINT64 if isinstance(value, U64) else UINT32
        if not isinstance(value, (U32, U64)) and value < 1 << 16:
            kind = UINT16
        raw = value.to_bytes((value.bit_length() + 7) // 8, "big")
        return _control(kind, len(raw)) + raw
    if isinstance(value, dict):
        parts = [_control(MAP, len(value))]
        for k, v in value.items():
            parts += [encode(k), encode(v)]
        return b"".join(parts)
    if isinstance(value, list):
        return _control(ARRAY, len(value)) + b"".join(encode(v) for v in value)
    if isinstance(value, bytes):
        return _control(BYTES, len(value)) + value
    raise TypeError(type(value))


class _Node:
    __slots__ = ("child",)

    def __init__(self) -> None:
        self.child: list[Any] = [None, None]  # None, a _Node, or ("data", index)


def build(
    networks: list[tuple[str, Any]],
    *,
    ip_version: int = 6,
    record_size: int = 24,
    aliases: tuple[str, ...] = (),
    ipv4_at: str = "::/96",
    database_type: str = "test-Country",
) -> bytes:
    """The bytes of a database.

    networks: (network, data) from wide to narrow. In an IPv6 tree IPv4 networks go below `ipv4_at`, and
    every prefix in `aliases` points at the node of `ipv4_at`.
    """
    data_section = bytearray()
    offsets: dict[bytes, int] = {}

    def place(value: Any) -> int:
        raw = encode(value)
        if raw not in offsets:
            offsets[raw] = len(data_section)
            data_section.extend(raw)
        return offsets[raw]

    root = _Node()

    def bits_of(network: str) -> list[int]:
        net = ipaddress.ip_network(network)
        width = 32 if net.version == 4 else 128
        number = int(net.network_address)
        bits = [number >> (width - 1 - i) & 1 for i in range(net.prefixlen)]
        if net.version == 4 and ip_version == 6:
            bits = bits_of(ipv4_at) + bits
        return bits

    def insert(bits: list[int], leaf: Any) -> None:
        node = root
        for bit in bits[:-1]:
            down = node.child[bit]
            if not isinstance(down, _Node):
                split = _Node()
                split.child = [down, down]  # a narrower network inside a wider one
                node.child[bit] = down = split
            node = down
        node.child[bits[-1]] = leaf

    for network, value in networks:
        insert(bits_of(network), ("data", place(value)))
    if aliases:
        node: Any = root
        for bit in bits_of(ipv4_at):
            node = node.child[bit]
        for prefix in aliases:
            insert(bits_of(prefix), node)

    nodes: list[_Node] = []
    number: dict[int, int] = {}
    waiting = [root]
    while waiting:
        node = waiting.pop(0)
        if id(node) in number:
            continue
        number[id(node)] = len(nodes)
        nodes.append(node)
        waiting += [c for c in node.child if isinstance(c, _Node)]

    def record(child: Any) -> int:
        if child is None:
            return len(nodes)  # nothing here
        if isinstance(child, _Node):
            return number[id(child)]
        return len(nodes) + 16 + child[1]

    tree = bytearray()
    for node in nodes:
        left, right = (record(c) for c in node.child)
        if record_size == 24:
            tree += left.to_bytes(3, "big") + right.to_bytes(3, "big")
        elif record_size == 28:
            tree += (left & 0xFFFFFF).to_bytes(3, "big")
            tree.append(left >> 24 << 4 | right >> 24)
            tree += (right & 0xFFFFFF).to_bytes(3, "big")
        elif record_size == 32:
            tree += struct.pack(">II", left, right)
        else:
            raise ValueError(record_size)
    metadata = {
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "build_epoch": U64(1_700_000_000),
        "database_type": database_type,
        "description": {"en": "made for tests"},
        "ip_version": ip_version,
        "languages": ["en"],
        "node_count": U32(len(nodes)),
        "record_size": record_size,
    }
    return bytes(tree) + bytes(16) + bytes(data_section) + MARKER + encode(metadata)
