-- Stellar labels with errors for every source that has a spectrum; flags say what was odd. The stars are simulated:
-- teff_true is what each was made with.
SELECT
    source_id,
    ra,
    dec,
    lam_infer(context, 'teff') AS teff,
    lam_error(context, 'teff') AS teff_error,
    teff_true,
    lam_infer(context, 'logg') AS logg,
    lam_infer(context, 'm_h')  AS m_h,
    lam_flags(context)         AS flags
FROM (
    SELECT
        source_id,
        ra,
        dec,
        teff AS teff_true,
        lam_context(
            xp(bp_coefficients, rp_coefficients, phot_g_mean_mag, bp_n_relevant_bases, rp_n_relevant_bases),
            bprp => bp_rp,
            jh => j_h,
            jk => j_k
        ) AS context
    FROM stars
)
ORDER BY source_id;
