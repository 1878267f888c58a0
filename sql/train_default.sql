-- The training set of the model that lamcat carries. Three tables: `stars`, simulated by `lamcat simulate`;
-- `field_stars`, real spectra without labels (source_id, bp_coeff, rp_coeff and their n_relevant_bases), half of which
-- are left out for tests (the lowest seven bits of Gaia's ids of real sources say nothing); `green2020`, real labels,
-- colours and parallaxes without spectra, of which a fifth is left out. The real stars are few: each comes several times.
WITH field AS (
    SELECT
        *,
        xp_synth_mag(bp_coeff, rp_coeff, 'G', bp_n_relevant_bases, rp_n_relevant_bases) AS g,
        xp_synth_mag(bp_coeff, rp_coeff, 'BP', bp_n_relevant_bases, rp_n_relevant_bases)
        - xp_synth_mag(bp_coeff, rp_coeff, 'RP', bp_n_relevant_bases, rp_n_relevant_bases) AS bp_rp
    FROM field_stars
    WHERE source_id / 128 % 2 = 0
)
SELECT
    xp(bp_coefficients, rp_coefficients, phot_g_mean_mag, bp_n_relevant_bases, rp_n_relevant_bases) AS xp,
    bp_rp AS bprp,
    j_h AS jh,
    j_k AS jk,
    teff,
    teff_error,
    logg,
    logg_error,
    m_h,
    m_h_error,
    CASE
        WHEN ebv > 10 THEN NULL
        WHEN ebv > 0 THEN ln(ebv)
        WHEN ebv <= 0 THEN -7
    END AS logebv,
    CASE WHEN parallax_error <= 0.1 THEN fakemag(parallax, phot_g_mean_mag) END AS g_fakemag,
    CASE WHEN parallax_error <= 0.1 THEN fakemag_error(parallax, parallax_error, phot_g_mean_mag) END AS g_fakemag_error
FROM stars
WHERE split = 'train'
    AND phot_g_mean_mag BETWEEN 6 AND 17.5
    AND bp_rp BETWEEN 0 AND 4
UNION ALL
SELECT
    xp(bp_coeff, rp_coeff, g, bp_n_relevant_bases, rp_n_relevant_bases),
    bp_rp,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL
FROM field CROSS JOIN generate_series(1, 16)
WHERE g BETWEEN 6 AND 17.5
    AND bp_rp BETWEEN 0 AND 4
UNION ALL
SELECT
    NULL,
    bp_rp,
    j_h,
    j_k,
    teff,
    teff_error,
    logg,
    logg_error,
    m_h,
    m_h_error,
    CASE
        WHEN ebv > 0 THEN ln(ebv)
        WHEN ebv <= 0 THEN -7
    END,
    CASE WHEN parallax_error <= 0.1 THEN fakemag(parallax, phot_g_mean_mag) END,
    CASE WHEN parallax_error <= 0.1 THEN fakemag_error(parallax, parallax_error, phot_g_mean_mag) END
FROM green2020 CROSS JOIN generate_series(1, 2)
WHERE split = 'train'
    AND phot_g_mean_mag BETWEEN 6 AND 17.5
    AND bp_rp BETWEEN 0 AND 4;
