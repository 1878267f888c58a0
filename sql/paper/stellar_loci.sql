-- Where stars are (after Leung & Bovy 2023): asked for the temperature and the luminosity of stars of which only
-- surface gravity and metallicity are known, the model answers with the loci of the stars it was trained on. Needs no
-- table.
--
-- g_fakemag = parallax [mas] 10^(0.2 G) is a luminosity: the absolute magnitude is 5 log10(g_fakemag) - 10.
-- plot: kind=line x=teff y=logg group=m_h invert-x invert-y title='Stellar loci, by metallicity'
-- plot: x-label='effective temperature [K]' y-label='log g [dex]'
-- Temperature that the model gives for a surface gravity, by metallicity [M/H]. For the luminosity instead:
-- --y absolute_magnitude.
SELECT
    logg,
    m_h,
    labels['teff'] AS teff,
    labels['teff_error'] AS teff_error,
    labels['g_fakemag'] AS g_fakemag,
    labels['g_fakemag_error'] AS g_fakemag_error,
    5 * log10(labels['g_fakemag']) - 10 AS absolute_magnitude
FROM (
    SELECT
        logg,
        m_h,
        lam_predict(lam_context(logg => logg, m_h => m_h), ['teff', 'g_fakemag']) AS labels
    FROM (SELECT value / 20.0 AS logg FROM generate_series(10, 94))
    CROSS JOIN (SELECT value / 4.0 AS m_h FROM generate_series(-4, 1))
)
ORDER BY m_h, logg;
