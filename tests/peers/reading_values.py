"""Columns of random values for the corpus: every type with its extremes, NULLs, NaN, wide integers and unicode."""

import datetime as dt
import decimal
import string

import pyarrow as pa

WORDS = ["", " ", "a", "NGC 1", "Müller", "α Cen", "星表", "e\u0301", "🔭", "it's", 'say "x"', "a,b", "a;b|c\td", "<&>]]>",
         "null", "NaN", "None", "true", "T", "0", "1e5", "0x1F", "2016-01-01", "[1,2]", "#1", "\\N", "-", "n/a", "%s", "a  b"]
NAMES = ["source_id_", "RA", "a b", "x.y", "größe", "星", "Δ", "flux[0]", "select", "UPPER", "_u", "9lives", "a-b", "m/s", "it's"]
FLOATS = [0.0, -0.0, 1.0, -1.5, 0.1, 1e-5, 1e15, 1e16, 123456789.123456789, 1e100, -1e-100, 5e-324, 1.7976931348623157e308,
          float("inf"), float("-inf"), 16777217.0]
NAN = float("nan")
EPOCH = dt.datetime(1970, 1, 1)


def integers(rng, bits, signed):
    """A maker of integers, of which many lie at the ends of what the type holds or of what a float of 64 bits does."""
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    edges = [low, high, low + 1, high - 1, 0, 1, (1 << 53) + 1, (1 << 63) - 1, 5853498713190525697, -1]
    edges = [n for n in edges if low <= n <= high]
    return lambda: rng.choice(edges) if rng.random() < 0.4 else rng.randint(low, high)


def floats(rng, bits):
    def one():
        if rng.random() < 0.15:
            return NAN
        value = rng.choice(FLOATS) if rng.random() < 0.4 else rng.gauss(0, 1) * 10 ** rng.randint(-8, 8)
        return value if bits == 64 else pa.scalar(value, pa.float32()).as_py()

    return one


def texts(rng, words=WORDS):
    letters = string.ascii_letters + " äß"
    return lambda: rng.choice(words) if rng.random() < 0.6 else "".join(rng.choices(letters, k=rng.randint(1, 30))).strip()


def days(rng):
    return lambda: dt.date(1970, 1, 1) + dt.timedelta(days=rng.choice([0, -1, 16801, rng.randint(-200_000, 200_000)]))


def instants(rng, per_second):
    """Counts of so many units a second since 1970, in years that four digits write and 64 bits of nanoseconds hold."""
    seconds = 9_000_000_000
    return lambda: rng.choice([0, 1, -1, rng.randint(-seconds, seconds) * per_second, rng.randint(-9, 9) * per_second + 1])


def decimals(rng, precision, scale):
    def one():
        digits = rng.randint(0, 10 ** rng.randint(1, precision) - 1) * rng.choice([1, -1])
        return decimal.Context(prec=80).scaleb(decimal.Decimal(digits), -scale)

    return one


def lists(rng, item, shortest=0, longest=6, nulls=0.2):
    return lambda: [None if rng.random() < nulls else item() for _ in range(rng.randint(shortest, longest))]


def binaries(rng, length=None):
    return lambda: bytes(rng.randrange(256) for _ in range(rng.randint(0, 12) if length is None else length))


def makers(rng):
    """What makes a value, by the Arrow type of its column."""
    made = {pa.bool_(): lambda: rng.random() < 0.5}
    for bits, types in ((8, (pa.int8(), pa.uint8())), (16, (pa.int16(), pa.uint16())), (32, (pa.int32(), pa.uint32())),
                        (64, (pa.int64(), pa.uint64()))):
        made |= {t: integers(rng, bits, signed) for t, signed in zip(types, (True, False))}
    made |= {pa.float32(): floats(rng, 32), pa.float64(): floats(rng, 64), pa.string(): texts(rng), pa.date32(): days(rng)}
    for unit, per_second in (("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)):
        made[pa.timestamp(unit)] = instants(rng, per_second)
    return made


def nested_makers(rng):
    """The same for types that Parquet and Arrow have and text has not."""
    simple = makers(rng)
    number, word, date = simple[pa.int32()], simple[pa.string()], simple[pa.date32()]
    made = {
        pa.large_string(): word, pa.binary(): binaries(rng), pa.large_binary(): binaries(rng),
        pa.binary(7): binaries(rng, 7), pa.string_view(): word, pa.date64(): date,
        pa.time32("s"): lambda: rng.randrange(86_400), pa.time32("ms"): lambda: rng.randrange(86_400_000),
        pa.time64("us"): lambda: rng.randrange(86_400_000_000), pa.time64("ns"): lambda: rng.randrange(86_400_000_000_000),
        pa.timestamp("us", "UTC"): instants(rng, 10**6), pa.timestamp("ms", "Europe/Paris"): instants(rng, 10**3),
        pa.decimal128(9, 2): decimals(rng, 9, 2), pa.decimal128(38, 10): decimals(rng, 38, 10),
        pa.decimal128(18, 0): decimals(rng, 18, 0), pa.decimal256(60, 20): decimals(rng, 60, 20),
        pa.list_(pa.float32()): lists(rng, simple[pa.float32()]), pa.list_(pa.string()): lists(rng, word),
        pa.large_list(pa.int64()): lists(rng, simple[pa.int64()]),
        pa.list_(pa.float64(), 3): lists(rng, simple[pa.float64()], 3, 3),
        pa.list_(pa.list_(pa.int16())): lists(rng, lists(rng, simple[pa.int16()])),
        pa.struct([("a", pa.int32()), ("ü", pa.string())]): lambda: {"a": number(), "ü": rng.choice([None, word()])},
        pa.list_(pa.struct([("x", pa.float64()), ("l", pa.list_(pa.bool_()))])): lists(
            rng, lambda: {"x": rng.random(), "l": [True, None]}),
        pa.map_(pa.string(), pa.int32()): lambda: [(f"k{i}", rng.choice([None, number()])) for i in range(rng.randint(0, 3))],
        pa.dictionary(pa.int32(), pa.string()): lambda: rng.choice(WORDS[:8]),
    }
    return made


def column(rng, data_type, make, rows, nulls=None):
    nulls = rng.choice([0.0, 0.1, 0.5, 1.0 if rng.random() < 0.2 else 0.3]) if nulls is None else nulls
    values = [None if rng.random() < nulls else make() for _ in range(rows)]
    if pa.types.is_dictionary(data_type):
        return pa.array(values, pa.string()).dictionary_encode()
    return pa.array(values, data_type)


def table(rng, types, rows, names=NAMES, columns=None, nulls=None):
    """A table of a column `row` and of random columns among those that `types` makes."""
    chosen = rng.sample(list(types), columns or rng.randint(1, min(9, len(types))))
    unusual = rng.sample(names, min(len(names), 2)) + [f"c{i}" for i in range(len(chosen))]
    fields = [("row", pa.array(range(rows), pa.int64()))]
    fields += [(unusual[i], column(rng, t, types[t], rows, nulls)) for i, t in enumerate(chosen)]
    return pa.table([array for _, array in fields], names=[name for name, _ in fields])


def rows(rng):
    return rng.choice([0, 1, 2, 7, 20, 20, 50, 100, 300])
