module letgo.lab/truth

go 1.19
