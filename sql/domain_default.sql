-- What the model that lamcat carries counts as ordinary (`lamcat model domain`): the real spectra that it learnt from and,
-- so that rare kinds of stars are ordinary as well, some of the simulated ones. Tables as in sql/train_default.sql.
SELECT xp(bp_coefficients, rp_coefficients, phot_g_mean_mag, bp_n_relevant_bases, rp_n_relevant_bases) AS xp
FROM stars
WHERE split = 'train'
    AND source_id % 100 = 0
    AND phot_g_mean_mag BETWEEN 6 AND 17.5
    AND bp_rp BETWEEN 0 AND 4
UNION ALL
SELECT xp(bp_coeff, rp_coeff, g, bp_n_relevant_bases, rp_n_relevant_bases)
FROM (
    SELECT
        *,
        xp_synth_mag(bp_coeff, rp_coeff, 'G') AS g,
        xp_synth_mag(bp_coeff, rp_coeff, 'BP') - xp_synth_mag(bp_coeff, rp_coeff, 'RP') AS bp_rp
    FROM field_stars
    WHERE source_id / 128 % 2 = 0
)
WHERE g BETWEEN 6 AND 17.5
    AND bp_rp BETWEEN 0 AND 4;
