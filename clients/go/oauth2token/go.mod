module authd/client/oauth2token

go 1.23.0

require (
	authd/client v0.1.0
	golang.org/x/oauth2 v0.30.0
)

replace authd/client => ../
