"""What an image in a request of the Messages protocol costs at most."""

import base64

# Some models count 28 by 28 pixels as a token, others 750: fewer than either is safe.
SIDE = 27
# Larger images are refused by the provider.
LARGEST_SIDE = 8_000
IMAGE_TOKENS = (-(-LARGEST_SIDE // SIDE)) ** 2
_PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
# Width and height follow at once.
_HEAD = len(_PNG) + 8


def image_tokens(data: str) -> int:
    """By the size of a PNG, which begins with it; others say theirs somewhere within."""
    try:
        head = base64.b64decode(data[: _HEAD // 3 * 4], validate=True)
    except ValueError:
        return IMAGE_TOKENS
    if len(head) < _HEAD or not head.startswith(_PNG):
        return IMAGE_TOKENS
    width, height = (int.from_bytes(head[at : at + 4], "big") for at in (len(_PNG), _HEAD - 4))
    if min(width, height) < 1 or max(width, height) > LARGEST_SIDE:
        return IMAGE_TOKENS
    return -(-width // SIDE) * -(-height // SIDE)
