-- The labels of 18 Sco, the nearest solar twin, beside those of the Gaia FGK benchmark stars (5824 K, 4.42, +0.03): how many
-- predicted sigmas apart they are. Table `solar_twin`, its spectrum as the archive gives it. At G 5.3 it is brighter than
-- the stars that models are trained on.
WITH star AS (
    SELECT
        lam_context(
            xp(bp_coefficients, rp_coefficients, phot_g_mean_mag),
            bprp => xp_synth_mag(bp_coefficients, rp_coefficients, 'BP')
                - xp_synth_mag(bp_coefficients, rp_coefficients, 'RP')
        ) AS context
    FROM solar_twin
),
answers AS (
    SELECT 'teff' AS label, 5824.0 AS reference, lam_infer(context, 'teff') AS predicted, lam_error(context, 'teff') AS sigma
    FROM star
    UNION ALL
    SELECT 'logg', 4.42, lam_infer(context, 'logg'), lam_error(context, 'logg')
    FROM star
    UNION ALL
    SELECT 'm_h', 0.03, lam_infer(context, 'm_h'), lam_error(context, 'm_h')
    FROM star
)
SELECT label, reference, predicted, sigma, (reference - predicted) / sigma AS sigmas
FROM answers
ORDER BY label DESC;
