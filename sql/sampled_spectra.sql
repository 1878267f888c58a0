-- Spectra as fluxes: externally calibrated, with errors through the coefficients' correlations.
SELECT
    source_id,
    xp_calibrate(bp_coefficients, rp_coefficients) AS flux,
    xp_calibrate_error(
        bp_coefficient_errors,
        bp_coefficient_correlations,
        rp_coefficient_errors,
        rp_coefficient_correlations
    ) AS flux_error,
    xp_synth_mag(bp_coefficients, rp_coefficients, 'G') AS g,
    xp_synth_mag(bp_coefficients, rp_coefficients, 'JkcStd_V') AS v
FROM xp_continuous
ORDER BY source_id;
