package main

import "net/http"

func site() http.Handler { return http.NotFoundHandler() }
