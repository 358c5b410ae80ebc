"""Keccak-256 as Ethereum uses it (Bertoni et al. 2011, The Keccak reference, sec. 1.2), in plain loops."""

_MASK = (1 << 64) - 1
_RATE = 136


def _round_constants():
    """The 24 constants: bits of the linear feedback shift register x^8 + x^6 + x^5 + x^4 + 1."""
    state, constants = 1, []
    for _ in range(24):
        value = 0
        for j in range(7):
            if state & 1:
                value |= 1 << ((1 << j) - 1)
            state = (state << 1) ^ (0x171 if state & 0x80 else 0)
        constants.append(value)
    return constants


def _turn(lane, by):
    by %= 64
    return ((lane << by) | (lane >> (64 - by))) & _MASK if by else lane


def _permute(lanes):
    for constant in _round_constants():
        parity = [lanes[x][0] ^ lanes[x][1] ^ lanes[x][2] ^ lanes[x][3] ^ lanes[x][4] for x in range(5)]
        spread = [parity[(x - 1) % 5] ^ _turn(parity[(x + 1) % 5], 1) for x in range(5)]
        lanes = [[lanes[x][y] ^ spread[x] for y in range(5)] for x in range(5)]
        x, y, held = 1, 0, lanes[1][0]
        for step in range(24):
            x, y = y, (2 * x + 3 * y) % 5
            held, lanes[x][y] = lanes[x][y], _turn(held, (step + 1) * (step + 2) // 2)
        lanes = [
            [lanes[x][y] ^ (~lanes[(x + 1) % 5][y] & lanes[(x + 2) % 5][y] & _MASK) for y in range(5)]
            for x in range(5)
        ]
        lanes[0][0] ^= constant
    return lanes


def keccak256(message):
    """Digest of bytes, as 0x and 64 hexadecimal digits."""
    padded = bytearray(message) + b"\x01" + b"\x00" * (-(len(message) + 1) % _RATE)
    padded[-1] |= 0x80
    lanes = [[0] * 5 for _ in range(5)]
    for start in range(0, len(padded), _RATE):
        for i in range(_RATE // 8):
            word = int.from_bytes(padded[start + 8 * i : start + 8 * i + 8], "little")
            lanes[i % 5][i // 5] ^= word
        lanes = _permute(lanes)
    return "0x" + b"".join(lanes[i % 5][i // 5].to_bytes(8, "little") for i in range(4)).hex()
