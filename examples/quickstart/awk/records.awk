# The days that stand out, of all stations.
BEGIN { FS = "\t" }
FNR == 1 {
	station = FILENAME
	sub(/.*\//, "", station)
	sub(/\..*/, "", station)
}
NR == 1 || $3 > warmest { warmest = $3; warmest_at = station ", day " $1 }
NR == 1 || $3 < coldest { coldest = $3; coldest_at = station ", day " $1 }
$4 > wettest { wettest = $4; wettest_at = station ", day " $1 }
END {
	printf "warmest: %.1f degrees (%s)\n", warmest, warmest_at
	printf "coldest: %.1f degrees (%s)\n", coldest, coldest_at
	printf "wettest: %.1f mm (%s)\n", wettest, wettest_at
}
