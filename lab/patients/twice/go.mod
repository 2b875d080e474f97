module letgo.lab/twice

go 1.19

require letgo.lab/truth v0.0.0

replace letgo.lab/truth => ../truth
