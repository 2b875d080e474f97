module letgo.lab/load

go 1.19
