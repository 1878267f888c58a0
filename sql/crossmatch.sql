-- Every other star within 10 arcseconds of a bright one, with its distance: a crossmatch on the sky by equal pixels.
-- For two catalogues put the smaller one in `targets`; keep radius and level the same in all three places, with pixels
-- about as wide as the radius (level 12: 52 arcseconds) so that a cone has few.
WITH targets AS (
    SELECT source_id AS target_id, ra AS target_ra, dec AS target_dec
    FROM stars
    WHERE phot_g_mean_mag < 12
),
target_pixels AS (
    SELECT *, unnest(cone_pixels(target_ra, target_dec, 10.0 / 3600, 12)) AS pixel
    FROM targets
),
pairs AS (
    SELECT
        target_id,
        source_id,
        sky_distance(target_ra, target_dec, ra, dec) AS distance
    FROM target_pixels
    JOIN stars ON pixel = healpix(ra, dec, 12)
)
SELECT target_id, source_id, 3600 * distance AS distance_arcsec
FROM pairs
WHERE distance <= 10.0 / 3600 AND source_id <> target_id
ORDER BY target_id, distance_arcsec;
