-- Stellar labels with errors for every source that has a spectrum; flags say what was odd.
SELECT
    source_id,
    ra,
    dec,
    lam_infer(xp, 'teff') AS teff,
    lam_error(xp, 'teff') AS teff_error,
    lam_infer(xp, 'logg') AS logg,
    lam_infer(xp, 'm_h')  AS m_h,
    lam_flags(xp)         AS flags
FROM (
    SELECT source_id, ra, dec, xp(bp_coefficients, rp_coefficients, phot_g_mean_mag) AS xp
    FROM stars
)
ORDER BY source_id;
