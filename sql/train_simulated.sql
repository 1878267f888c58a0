-- Simulated stars (`lamcat simulate`) as a training set: a column for each token that a model learns, named as the
-- token, and <token>_error where the error of the value is known. Table `stars`; those kept for tests are left out.
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
    AND bp_rp BETWEEN 0 AND 4;
