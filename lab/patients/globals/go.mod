module letgo.lab/globals

go 1.19
