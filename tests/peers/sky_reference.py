"""Reference values for the sky and Gaia functions, written to tests/it/reference/*.csv.

    pip install astropy astropy-healpix healpy mpmath gaiadr3-zeropoint dust_extinction extinction
    python tests/peers/sky_reference.py
"""

import csv
import warnings
from pathlib import Path

import astropy.units as u
import dust_extinction.parameter_averages as dust
import extinction
import healpy
import mpmath
import numpy as np
from astropy.coordinates import angular_separation
from astropy_healpix import HEALPix
from zero_point import zpt

OUT = Path(__file__).parents[1] / "it" / "reference"


def write(name, header, rows):
    with open(OUT / name, "w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(header)
        for row in rows:
            out.writerow([repr(float(v)) if isinstance(v, float) else v for v in row])


def positions(rng):
    """Poles, wraps, both sides of the polar caps, base pixels' insides, and random ones."""
    fixed = [(12.5, 90.0), (200.25, -90.0), (45.0, 89.9999), (45.0, -89.9999), (0.0, 0.3), (359.999999, 0.2),
             (0.000001, -0.2), (-10.0, 5.0), (725.0, -5.0), (33.3, 41.810314), (33.3, 41.810315), (123.4, -41.81031),
             (266.416833, -29.007806), (83.822083, -5.391111), (10.684708, 41.26875)]
    ra = rng.uniform(0, 360, 45)
    dec = np.degrees(np.arcsin(rng.uniform(-1, 1, 45)))
    return fixed + list(zip(ra.tolist(), dec.tolist()))


def healpix_rows(rng):
    for ra, dec in positions(rng):
        row = [ra, dec]
        for level in (0, 5, 12, 29):
            a = int(healpy.ang2pix(2**level, ra % 360, dec, nest=True, lonlat=True))
            b = int(HEALPix(nside=2**level, order="nested").lonlat_to_healpix((ra % 360) * u.deg, dec * u.deg))
            row += [a, b]
        yield row


def exact_separation(ra1, dec1, ra2, dec2):
    """Degrees, with 60 digits, from the very doubles given."""
    mpmath.mp.dps = 60
    l1, b1, l2, b2 = (mpmath.mpf(v) * mpmath.pi / 180 for v in (ra1, dec1, ra2, dec2))
    sin, cos, d = mpmath.sin, mpmath.cos, l2 - l1
    x = mpmath.sqrt((cos(b2) * sin(d)) ** 2 + (cos(b1) * sin(b2) - sin(b1) * cos(b2) * cos(d)) ** 2)
    return float(mpmath.atan2(x, sin(b1) * sin(b2) + cos(b1) * cos(b2) * cos(d)) * 180 / mpmath.pi)


def distance_rows(rng):
    mas = 1 / 3.6e6
    pairs = [(10.0, 20.0, 10.0, 20.0 + mas), (10.0, 20.0, 10.0 + mas, 20.0), (0.0, 0.0, 180.0, 0.0),
             (359.9999999, 10.0, 0.0000001, 10.0), (30.0, 89.9999999, 210.0, 89.9999999), (0.0, 90.0, 77.0, -90.0),
             (50.0, 40.0, 230.0, -40.0), (50.0, 40.0, 230.0 + mas, -40.0), (50.0, 40.0, 230.0, -40.0 + mas),
             (5.0, 5.0, 5.0, 5.0), (45.0, 0.0, 45.0, 90.0), (300.0, -60.0, 300.0 + mas, -60.0 - mas)]
    for _ in range(60):
        ra, dec = rng.uniform(0, 360), np.degrees(np.arcsin(rng.uniform(-1, 1)))
        step = 10 ** rng.uniform(-9, 1.5)
        angle = rng.uniform(0, 2 * np.pi)
        dec2 = float(np.clip(dec + step * np.sin(angle), -90, 90))
        pairs.append((float(ra), float(dec), float((ra + step * np.cos(angle)) % 360), dec2))
        if len(pairs) % 3 == 0:
            pairs.append((float(ra), float(dec), float(rng.uniform(0, 360)), float(rng.uniform(-90, 90))))
    for p in pairs:
        astropy = float(np.degrees(angular_separation(*np.radians(p))))
        yield [*p, astropy, exact_separation(*p)]


def zero_point_rows(rng):
    warnings.simplefilter("ignore")
    zpt.load_tables()
    edges = [6.0, 6.0001, 10.8, 11.2, 11.8, 12.2, 12.9, 13.1, 15.9, 16.1, 17.5, 19.0, 20.0, 20.9999, 21.0]
    rows = [(g, c, c, lat, p) for g in edges for c in (1.25, 1.48, 1.6) for lat in (-90.0, 30.0) for p in (31, 95)]
    for colour in (1.05, 1.1, 1.100001, 1.2, 1.24, 1.240001, 1.3, 1.4, 1.7199, 1.72, 1.8, 1.8999, 1.9, 2.0):
        rows += [(15.3, colour, colour, 12.0, p) for p in (31, 95)]
    for _ in range(300):
        rows.append((rng.uniform(5.5, 21.5), rng.uniform(1.0, 2.0), rng.uniform(1.2, 1.75), rng.uniform(-90, 90),
                     int(rng.choice([31, 95]))))
    for g, nu, pc, lat, solved in rows:
        value = zpt.get_zpt(*(np.array([v]) for v in (g, nu, pc, lat, solved)), _warnings=False)[0]
        yield [float(g), float(nu), float(pc), float(lat), solved, "" if np.isnan(value) else repr(float(value))]


def extinction_rows():
    peers = {"CCM89": extinction.ccm89, "O94": extinction.odonnell94}
    grid = np.unique(np.concatenate([
        np.arange(100.0, 3301.0, 25.0), [91.3, 95.0, 259.9, 260.1, 269.9, 270.1, 299.9, 300.1, 329.9, 330.1, 899.0, 901.0,
                                         1099.0, 1101.0, 3333.0, 5000.0, 9800.0, 20000.0, 31900.0]]))
    for law in ("CCM89", "O94", "F99", "G23"):
        model = getattr(dust, law)
        for rv in (2.0, 2.3, 2.75, 3.1, 4.0, 5.6, 6.0):
            if not model.Rv_range[0] <= rv <= model.Rv_range[1]:
                continue
            low, high = model.x_range
            nm = grid[(1000 / grid >= low) & (1000 / grid <= high)]
            values = model(Rv=rv)(1000 / nm / u.micron)
            if law in peers:
                other = peers[law](nm * 10, 1.0, rv)
            elif law == "F99":
                other = extinction.Fitzpatrick99(rv)(nm * 10, 1.0)
            else:
                other = np.full(nm.shape, np.nan)
            for w, v, o in zip(nm, values, other):
                yield [law, rv, float(w), float(v), "" if np.isnan(o) else repr(float(o))]


def main():
    rng = np.random.default_rng(20210101)
    levels = [f"{package}_{level}" for level in (0, 5, 12, 29) for package in ("healpy", "astropy")]
    write("healpix.csv", ["ra", "dec", *levels], healpix_rows(rng))
    write("sky_distance.csv", ["ra1", "dec1", "ra2", "dec2", "astropy", "exact"], distance_rows(rng))
    write("parallax_zero_point.csv", ["g", "nu_eff", "pseudocolour", "ecl_lat", "solved", "mas"], zero_point_rows(rng))
    write("extinction.csv", ["law", "rv", "wavelength_nm", "dust_extinction", "extinction"], extinction_rows())


if __name__ == "__main__":
    main()
