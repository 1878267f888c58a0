-- Real spectra without labels, those that sql/train_default.sql leaves out, as `lamcat eval` and `lamcat train` take them:
-- coefficients over the synthetic G flux, up to the relevant bases, and the synthetic colour. Table `field_stars`, with the
-- columns that `lamcat ingest` gives to Gaia's spectra in numbered columns (bp_coeff_0 …). One band is predicted from the
-- other: lamcat eval --inputs bp-to-rp,rp-to-bp.
SELECT
    xp(bp_coeff, rp_coeff, g, bp_n_relevant_bases, rp_n_relevant_bases) AS xp,
    bp - rp AS bprp
FROM (
    SELECT
        *,
        xp_synth_mag(bp_coeff, rp_coeff, 'G') AS g,
        xp_synth_mag(bp_coeff, rp_coeff, 'BP') AS bp,
        xp_synth_mag(bp_coeff, rp_coeff, 'RP') AS rp
    FROM field_stars
    WHERE source_id / 128 % 2 = 1
)
WHERE g BETWEEN 6 AND 17.5
    AND bp - rp BETWEEN 0 AND 4;
