"""mint.py - makes tokens offline: python3 mint.py KEY_HEX KEY_INDEX ACCOUNT SEQUENCE PURPOSE DOMAIN [YYYY-MM-DD]

KEY_HEX is the key derived for your offline account number (`bounced token key`); see TOKEN.md.
"""
import base64, datetime, hashlib, hmac, sys

NUMBERS = "234567abcdefghijklmnopqrstuvwxyz"


def number(value: int, width: int) -> str:
    text = ""
    for _ in range(width):
        value, digit = divmod(value, 32)
        text = NUMBERS[digit] + text
    if value != 0:
        raise ValueError("out of range")
    return text


def delivery_id(day: datetime.date, account: int, sequence: int) -> str:
    return number((day - datetime.date(2020, 1, 1)).days, 3) + number(account, 3) + number(sequence, 7)


def mint(key: bytes, index: int, delivery: str, purpose: str, domain: str) -> str:
    said = "".join(part + "\0" for part in ("bounced-token-1", str(index), delivery, purpose, domain.lower()))
    mac = hmac.new(key, said.encode("utf-8"), hashlib.sha256).digest()[:10]
    return number(index, 1) + delivery + base64.b32encode(mac).decode("ascii").lower()


if __name__ == "__main__":
    key, index, account, sequence, purpose, domain, *rest = sys.argv[1:]
    day = datetime.date.fromisoformat(rest[0]) if rest else datetime.datetime.now(datetime.timezone.utc).date()
    print(mint(bytes.fromhex(key), int(index), delivery_id(day, int(account), int(sequence)), purpose, domain))
