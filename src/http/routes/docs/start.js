// Shows the server's own document; nothing is asked of another host.
SwaggerUIBundle({
  dom_id: "#page",
  url: "openapi.json",
  validatorUrl: "none",
  deepLinking: true,
  docExpansion: "list",
  filter: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
});
