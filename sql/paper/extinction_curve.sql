-- The extinction curve that the model has learnt (after Leung & Bovy 2023), from spectra that it generates of the
-- same giants without and with dust. Needs no table.
--
-- The zero point. The coefficients are over the G flux, which dust dims too, so the ratio of two generated spectra gives
-- A(lambda) - A(G), the curve up to a constant. There are two ways to the constant:
-- * The colour excess E(lambda - 550 nm) / E(B-V): the curve is set to zero at 550 nm, about where V is. It rests on the
--   spectra alone, and at 440 nm, about where B is, it should be 1.
-- * The absolute curve A(lambda) / E(B-V): the model also predicts g_fakemag = parallax 10^(0.2 G), and a star does not
--   move when it is reddened, so A(G) = 5 log10(g_fakemag with dust / g_fakemag without). It is as good as the model's
--   luminosities of giants: a fifth of an error in them is 0.4 mag, and far more once divided by a small E(B-V). Where a
--   predicted g_fakemag is not positive, this form is NULL and the other is not.
-- Both are divided by the difference of the two E(B-V), as the bare star has exp(-6). Magnitudes are 2.5 log10, while
-- the token logebv is a natural logarithm.
CREATE OR REPLACE VIEW learnt_extinction AS
WITH giants AS (
    -- Solar metallicity along the giant branch.
    SELECT logg, 5200 - 441 * (3.65 - logg) AS teff
    FROM (SELECT value / 10.0 AS logg FROM generate_series(10, 24))
),
predicted AS (
    SELECT logg, ebv, lam_spectrum(context) AS coefficient, lam_infer(context, 'g_fakemag') AS g_fakemag
    FROM (
        SELECT logg, ebv, lam_context(teff => teff, logg => logg, m_h => 0.0, logebv => ln(ebv)) AS context
        FROM giants
        CROSS JOIN (VALUES (exp(-6)), (0.4), (0.8), (1.2)) AS dust (ebv)
    )
),
spectra AS (
    SELECT
        logg,
        ebv,
        g_fakemag,
        unnest(xp_wavelength()) AS wavelength,
        unnest(xp_calibrate(coefficient[1:55], coefficient[56:110])) AS flux
    FROM predicted
)
SELECT
    wavelength,
    logg,
    ebv,
    (a_minus_ag - max(CASE WHEN wavelength = 550 THEN a_minus_ag END) OVER (PARTITION BY logg, ebv)) / ebv AS excess,
    (a_minus_ag + ag) / ebv AS absolute
FROM (
    SELECT
        red.wavelength,
        red.logg,
        red.ebv - bare.ebv AS ebv,
        -2.5 * log10(red.flux / bare.flux) AS a_minus_ag,
        CASE
            WHEN red.g_fakemag > 0 AND bare.g_fakemag > 0 THEN 5 * log10(red.g_fakemag / bare.g_fakemag)
        END AS ag
    FROM spectra AS red
    JOIN spectra AS bare ON red.logg = bare.logg AND red.wavelength = bare.wavelength
    WHERE red.ebv > 0.1 AND bare.ebv < 0.1 AND red.flux > 0 AND bare.flux > 0 AND red.wavelength BETWEEN 400 AND 900
);

-- Median and central 68 % over the giants and their dust.
CREATE OR REPLACE VIEW extinction_band AS
SELECT
    wavelength,
    approx_percentile_cont(0.5) WITHIN GROUP (ORDER BY excess) AS excess,
    approx_percentile_cont(0.16) WITHIN GROUP (ORDER BY excess) AS excess_lower,
    approx_percentile_cont(0.84) WITHIN GROUP (ORDER BY excess) AS excess_upper,
    approx_percentile_cont(0.5) WITHIN GROUP (ORDER BY absolute) AS absolute,
    approx_percentile_cont(0.16) WITHIN GROUP (ORDER BY absolute) AS absolute_lower,
    approx_percentile_cont(0.84) WITHIN GROUP (ORDER BY absolute) AS absolute_upper
FROM learnt_extinction
GROUP BY wavelength;

-- The curves of Fitzpatrick (1999) in the same two forms.
CREATE OR REPLACE VIEW fitzpatrick AS
SELECT
    rv,
    wavelength,
    rv * (extinction_curve('F99', wavelength, rv) - extinction_curve('F99', 550, rv)) AS excess,
    rv * extinction_curve('F99', wavelength, rv) AS absolute
FROM (SELECT value AS wavelength FROM generate_series(400, 900, 2))
CROSS JOIN (VALUES (2.5), (2.7), (2.9), (3.1), (3.3)) AS laws (rv);

-- At how many of the wavelengths Fitzpatrick's curve of R(V) = 3.1 lies in the model's band, and at how many that of any
-- R(V) does; and how far the median is off at R(V) = 3.1.
SELECT
    count(*) FILTER (WHERE rv = 3.1) AS wavelengths,
    count(*) FILTER (WHERE rv = 3.1 AND f.excess BETWEEN excess_lower AND excess_upper) AS within,
    count(DISTINCT f.wavelength) FILTER (WHERE f.excess BETWEEN excess_lower AND excess_upper) AS within_of_any,
    median(abs(m.excess - f.excess)) FILTER (WHERE rv = 3.1) AS difference,
    count(*) FILTER (WHERE rv = 3.1 AND f.absolute BETWEEN absolute_lower AND absolute_upper) AS absolute_within,
    median(abs(m.absolute - f.absolute)) FILTER (WHERE rv = 3.1) AS absolute_difference
FROM fitzpatrick AS f
JOIN extinction_band AS m ON f.wavelength = m.wavelength;

-- plot: kind=line x=wavelength y=absolute group=curve title='The extinction curve that the model has learnt'
-- plot: x-label='wavelength [nm]' y-label='A(λ) / E(B − V)'
-- Median and central 68 % over 15 giants and three colour excesses, beside the curves of Fitzpatrick (1999). For the
-- colour excess: --y excess --y-label 'E(λ − 550 nm) / E(B − V)'.
SELECT
    'model' AS curve,
    wavelength,
    excess,
    excess_lower,
    excess_upper,
    absolute,
    absolute_lower,
    absolute_upper
FROM extinction_band
UNION ALL
SELECT 'Fitzpatrick, R(V) ' || rv, wavelength, excess, NULL, NULL, absolute, NULL, NULL
FROM fitzpatrick
WHERE rv IN (2.5, 3.1, 3.3)
ORDER BY curve DESC, wavelength;
